"""An interpreter that can be downloaded."""

from kit.served_interpreter import archive, served

__all__ = ["archive", "served"]
