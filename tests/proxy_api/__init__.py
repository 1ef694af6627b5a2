"""mesh.Proxy as an application uses it."""
