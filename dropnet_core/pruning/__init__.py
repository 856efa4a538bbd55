"""Anybody's network made smaller by Algorithm 1: its units found, masked, cut out, and proven to be the ones meant."""
