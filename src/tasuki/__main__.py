"""`python -m tasuki` is `tasuki`."""

from tasuki.cli import main

if __name__ == "__main__":
    main()
