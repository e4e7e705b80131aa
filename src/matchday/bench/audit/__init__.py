"""``matchday cluster audit``: many screens watch a local cluster while its processes come and go, and nobody may miss a
message without being told.

``watcher`` is one screen, ``states`` what all of them have been told, ``fans`` those who bet meanwhile on whichever
gate answers, ``story`` what is done to the cluster, ``truth`` what stands on the log once it is over.
"""
