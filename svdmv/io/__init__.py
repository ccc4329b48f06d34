"""Bytes <-> nouns: pictures, video, view folders, transforms.json, meshes. Every change of convention happens here."""
