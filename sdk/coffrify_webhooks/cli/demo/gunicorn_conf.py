"""How gunicorn serves the example apps: two processes, so that the store is what keeps order."""

worker_class = "gthread"
workers = 2
threads = 8
graceful_timeout = 1
control_socket_disable = True  # its place is in the home directory; unknown before gunicorn 25
