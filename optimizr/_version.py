"""The one place where the version is written; read by the build and by `optimizr --version`."""

__version__ = "0.1.0"
