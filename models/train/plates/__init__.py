"""Drawn Vietnamese plates, and the two small networks trained on them: a locator and a reader."""
