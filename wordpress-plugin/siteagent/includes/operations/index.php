<?php
// The closed list of operations, their results, and signed plans.
