"""`python -m mesh`: hands over to mesh.cli and nothing else."""

from mesh.cli import main

if __name__ == "__main__":
    main()
