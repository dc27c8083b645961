# SPDX-License-Identifier: Apache-2.0
"""One file a verb, named by the verb's id, with `make(means) -> Skill`. See innerwarden.responder.skill."""
