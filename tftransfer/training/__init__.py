"""Trains a group of networks as one functional Keras model."""
