// This module has the texts by which correcting is timed.

/** 200 characters in five sentences with five mistakes, of which none is asked about twice. */
export const TEXTS = [
  'She have two cats. The keys is on the table in the hall. Please let me knows if you can come on ' +
    'Saturday. The new apple trees looks wonderful, and thank you for you’re help with the garden ' +
    'last week!',
  'He have a dog. The books is on the shelf in the room. Please let me knows when you will arrive ' +
    'on Monday. The old pear trees looks beautiful, and thank you for you’re help with the roof ' +
    'last month!',
];
