# SPDX-License-Identifier: Apache-2.0
"""Planned sequences -> the arrays of a training step: blocks are read ahead, each once.

Internal to latentmill: a Dataset alone imports it. It imports planning and sources."""
