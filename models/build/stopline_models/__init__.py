"""Builds the models that stopline runs from what public package registries hold."""
