# SPDX-License-Identifier: Apache-2.0
"""The gates of the pipeline, one a file; their order is in pipeline.py."""
