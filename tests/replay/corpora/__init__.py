# SPDX-License-Identifier: Apache-2.0
"""Third-party corpora with expected answers, judged through the product's own parsers and detectors.

The corpora are no part of the repository: a directory of them is given (see tests/replay/README.md).
"""
