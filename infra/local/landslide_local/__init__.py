"""Runs Landslide on a local cloud: what the Makefile's verbs call. See infra/local/README.md."""
