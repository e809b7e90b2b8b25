# SPDX-License-Identifier: Apache-2.0
"""Which records come when, and which share a sequence: from lengths and hashes alone. No block
is read, and ranks and workers do not enter.

Internal to latentmill. It imports sources, and not batches. `StateError` is public as a name
of latentmill."""
