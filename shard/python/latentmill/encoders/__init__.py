# SPDX-License-Identifier: Apache-2.0
"""Encoders that `latentmill prepare` runs in processes of their own, and what to make others with.

    python -m latentmill.encoders.diffusers --model DIR     starts one, as `--encoder diffusers:DIR` does
    from latentmill.encoders.protocol import Encoder, serve

The bytes that are exchanged are specified in vae_encode/child/ENCODER.md. Internal to nothing: the
rest of the package does not import it, and it needs nothing of the rest."""
