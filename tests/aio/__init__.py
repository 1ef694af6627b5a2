"""mesh.aio: the engine inside an asyncio loop, on the standard loop and on uvloop."""
