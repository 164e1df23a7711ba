"""What the gateway reports of itself and of requests: the log, metrics, traces and the status."""
