"""The bench: how fast the product is, against the machine it runs on and against other programs.

Everything here measures real processes over real sockets and files. Nothing here is imported by the product.
"""
