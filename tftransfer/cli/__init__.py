"""What an option is, and what makes flags, messages and exit codes of options."""

__all__ = ["command_line", "options"]
