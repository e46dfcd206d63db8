"""Settings of the server; gunicorn reads this file from its working directory."""

import os

wsgi_app = "main:app"
bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
threads = 4
worker_tmp_dir = "/dev/shm"
accesslog = "-"
graceful_timeout = 5
control_socket_disable = True
