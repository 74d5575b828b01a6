"""What this machine does with a recipe: measurements, each contender in a process of its own."""
