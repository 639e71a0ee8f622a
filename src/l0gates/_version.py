"""The version, apart so that building needs no import of the package's dependencies."""

__version__ = "0.1.0"
