"""What this machine does with a recipe: measurements, each case in a process of its own."""
