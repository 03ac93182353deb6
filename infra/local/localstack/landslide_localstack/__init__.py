"""Adapters that plug into LocalStack's own extension points. See the README beside this package."""
