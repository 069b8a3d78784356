"""Streams: the four one-way halves of a request, and the table of requests.

Bodies carry a file's bytes at the file's offsets, messages are short and in order.
"""
