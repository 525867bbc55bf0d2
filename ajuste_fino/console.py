"""The terminal, for messages and progress alike: what is written to it by one does not tear the other."""

from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)
