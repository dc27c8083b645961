# SPDX-License-Identifier: Apache-2.0
"""One file a way to block addresses, with `make(means) -> Backend`. See innerwarden.responder.backend."""
