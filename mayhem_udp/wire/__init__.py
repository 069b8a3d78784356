"""Bytes and values: declarations, the layout derived from them, and the codec between the two.

`declarations` and `messages` are the only places that know a byte's offset.
Nothing here keeps state or knows what a datagram is for.
"""
