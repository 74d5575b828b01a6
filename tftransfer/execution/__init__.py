"""From a network's description to its record: looks up what is done, and trains what is missing."""
