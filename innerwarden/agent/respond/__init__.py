# SPDX-License-Identifier: Apache-2.0
"""What was decided, carried out by the responder; what should be in effect and what is, kept the same."""
