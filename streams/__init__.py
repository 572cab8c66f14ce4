"""The notifier: takes final payment results from Kafka to partners, over HTTPS, until they acknowledge.

What travels stands in `schemas`; `streams.worker.handle` tells the story on one page.
"""
