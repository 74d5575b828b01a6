"""Settings that every test shares."""

import os

# Before TensorFlow starts: two logical devices need no GPU, and its own log lines are no warnings of ours.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
