"""The search for a recipe: what is tried, who proposes it, how it is trained, what it says in the end."""
