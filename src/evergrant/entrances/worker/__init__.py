"""The worker: does in the background what was committed in the foreground.

Answers for: the tasks below on Procrastinate, doing again what a dead worker left half done, and
an orderly end. Does not answer for: what a task does; each is one verb of one room, which is safe
to be begun twice.

==================  =================  ===========================================================
task                when               what
==================  =================  ===========================================================
``post.deliver``    queued by a ring   one attempt at one mail or webhook
``post.sweep``      each minute        rings for what is due: lost rings, retries
``watch.sweep``     each minute        reminders, terms that are over, handshakes of dead processes
``watch.probe``     each minute        a few accounts of each day's probes
``watch.rotate``    each minute        rotations of client secrets; may wait for AWS
``feeds.tick``      each 15 seconds    rings for accounts that have something to do
``feeds.work``      queued by a ring   one turn of one account
``feeds.folder``    each minute        files of changes in the watched folder
``feeds.tidy``      each hour          changes, runs and orders that are kept no longer
``orders.sweep``    each minute        orders of a few accounts
``amazon_reports``  each 20 seconds    reports that were asked of Amazon
``notifications``   each 20 seconds    Amazon's notifications, where a queue is set
``queue.recover``   each 15 seconds    jobs of workers that fell silent are begun again
``queue.tidy``      each night         rows of jobs that failed a month ago
==================  =================  ===========================================================
"""

from evergrant.entrances.worker.tasks import Pace, work

__all__ = ["Pace", "work"]
