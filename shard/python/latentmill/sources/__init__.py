# SPDX-License-Identifier: Apache-2.0
"""What there is to train on: the shards of each source, what a view takes of them, and the
documents that their records become by draws.

Internal to latentmill, and below planning and batches, which it does not import. `Source` and
`IncompatibleError` are public as names of latentmill."""
