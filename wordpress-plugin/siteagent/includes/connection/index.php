<?php
// The connection to a dashboard: pairing, keys, encryption, address changes and calls to the dashboard.
