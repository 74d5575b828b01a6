"""Command lines: options as dataclass fields, their flags, and the messages and exit codes of commands."""

__all__ = ["command_line", "options"]
