"""Clusters of both lanes to segments: merging, rules, peers, cohesion, drift."""
