"""The version of this library; it stands below all rooms, because saved measurements belong to one."""

__version__ = "0.1.0"
