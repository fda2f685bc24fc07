"""`python -m beatssl` is the command `beatssl`."""

from beatssl.cli import main

if __name__ == "__main__":
    main()
