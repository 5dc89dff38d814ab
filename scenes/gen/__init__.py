"""Generator of rendered traffic-camera clips with exact truth. Run as `python -m gen COMMAND SCENE` in `scenes/`."""
