"""`python -m ajuste_fino` is `ajuste-fino`."""

from ajuste_fino.cli import main

if __name__ == "__main__":
    main()
