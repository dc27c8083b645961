# SPDX-License-Identifier: Apache-2.0
"""`python -m innerwarden.agent.notify.send`: a short-lived process that sends the messages of one channel.

Lines of JSON on stdin: a Target, then one Outgoing after another; one Result on stdout for each, before the next is
read. It ends with its stdin, so with the agent. Here and nowhere else secrets are read, and Apprise is loaded.
"""

from __future__ import annotations

import logging
import resource
import sys

import msgspec

from innerwarden.agent.notify import channels, post, secret_file
from innerwarden.agent.notify.failure import Failed
from innerwarden.agent.notify.sending import Delivery, Outgoing, Result, Target

_JSON = msgspec.json.Encoder()


def deliver(target: Target, outgoing: Outgoing) -> Result:
    """Never raises: what went wrong is in the Result, in words that hold no secret."""
    channel = target.channel
    try:
        delivery = Delivery(
            channel=channel,
            outgoing=outgoing,
            secret=secret_file.read(channel.secret) if channel.secret else "",
            signing_key=secret_file.read(channel.signing_key) if channel.signing_key else "",
        )
        channels.sender(channel.kind)(delivery)
    except Failed as error:
        return Result(ok=False, detail=error.detail, retry_after_s=error.retry_after_s, final=error.final)
    except Exception as error:  # the border: an error's text may hold a URL
        return Result(ok=False, detail=post.explain(error))
    return Result(ok=True)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the secret
    logging.disable(logging.CRITICAL)
    lines = iter(sys.stdin.buffer.readline, b"")
    target = msgspec.json.decode(next(lines), type=Target)
    outgoing = msgspec.json.Decoder(Outgoing)
    for line in lines:
        sys.stdout.buffer.write(_JSON.encode(deliver(target, outgoing.decode(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
