"""The experiment as data: treatments, splits, options, and the networks of a study. Nothing here imports TensorFlow."""
