"""The version of this package, which records carry."""

VERSION = "0.2.0"
