"""Audit: do these labels describe these images?"""
