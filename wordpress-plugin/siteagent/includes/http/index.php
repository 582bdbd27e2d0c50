<?php
// Signed requests: the REST route, verification, answers and the table of used nonces.
