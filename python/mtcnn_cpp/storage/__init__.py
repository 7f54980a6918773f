"""Reads and writes files and folders on this machine and in object stores. Downloads files from the web.

Object stores need the extra `remote`.
"""
